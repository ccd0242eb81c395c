"""What a trial of a program costs: pytest tests/benchmarks/test_program.py"""

from benchmarks import program


def test_both_sides_are_measured_with_ratio_and_milliseconds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, value in (("EPOCHS", 2), ("MORE", 4), ("PAUSE", 0.01)):
        monkeypatch.setattr(program, name, value)
    table = program.measure(trials=2, rounds=1)
    assert [row[0] for row in table.rows] == list(program.SIDES)
    assert table.rows[0][3:] == ["1.00 x", "1.00 x"]
    assert all(cell.endswith((" ms", " x")) for row in table.rows for cell in row[1:])
    assert list(tmp_path.iterdir()) == []
