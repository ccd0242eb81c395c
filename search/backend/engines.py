"""Engines under Ray: one actor per GPU trains several trials, and light trials of Tune pass their rows on.

An actor is one life of an engine and has its own id. Ray never restarts an actor. When an actor dies, the search counts one
death, whatever the number of trials in the engine, and starts another actor at the same place. This module imports Ray, so
import it late. The code that runs in a trial of Tune imports no torch.
"""

import contextlib
import itertools
import secrets
import sys
from collections.abc import Callable, Collection, Iterator
from typing import Any

import ray
from ray.exceptions import RayActorError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from search.backend.host import Host
from search.backend.places import Place, Places
from search.backend.resources import Resources, fit
from search.backend.worker import Job
from search.backend.worker_errors import GONE
from search.faults.machine import Fault
from search.faults.worker_deaths import Casualties
from search.turns import Turn
from trainables.files.durable import Record

LISTENING = 0.001  # share of a core for a trial of Tune that only passes rows on, and for an engine without a GPU
CALLS = 4  # calls to an engine at once for each of its trials: to train, for a row, to leave, and one to spare
WATCHING = 2  # calls to an engine by the search: until the engine is ready, and as long as it lives


class Engines:
    """The engines of one attempt.

    Args:
        start: starts and returns an actor at a place; the actor is the engine with the given id.
        casualties: decides what the death of an engine means for its trials.
    """

    def __init__(self, places: Places, start: Callable[[Place, str], Any], casualties: Casualties) -> None:
        self.places, self._start, self._casualties = places, start, casualties
        self._numbers = itertools.count(1)
        self._hosts: dict[str, Any] = {}  # by id
        self._watched: dict[Any, str] = {}  # what ends when an engine is ready, or dies, to its id
        for place in places.all:
            self._begin(place)

    def _begin(self, place: Place) -> None:
        place.id = f"{next(self._numbers)}-{secrets.token_hex(4)}"
        host = self._hosts[place.id] = self._start(place, place.id)
        self._watched |= {host.ready.remote(): place.id, host.live.remote(): place.id}

    def look(self) -> Fault | None:
        """Note which engines are ready and which have died; return a fault if one ends the search."""
        calls = list(self._watched)
        ended = ray.wait(calls, num_returns=len(calls), timeout=0)[0] if calls else []
        faults = [self._heard(call, self._watched.pop(call, "")) for call in ended]
        return next(filter(None, faults), None)

    def _heard(self, call: Any, engine: str) -> Fault | None:
        try:
            answer = ray.get(call)
        except GONE:
            return self.died(engine)
        if answer:
            return Fault(answer["fault"], answer["message"])
        if place := self.places.find(engine):
            place.is_up = True
        return None

    def died(self, engine: str) -> Fault | None:
        """Count the death of an engine once, however often it is reported; return a fault if it ends the search.

        Another engine is started at the same place, unless that place is given up.
        """
        place = self.places.find(engine)
        if place is None:
            return None  # known already
        ray.kill(self._hosts.pop(engine))  # one that does not answer any more may be alive, and has a GPU
        self._watched = {call: each for call, each in self._watched.items() if each != engine}
        trials = sorted(place.trials)
        begun, fault = self._casualties.engine_died(trials)
        print(
            f"engine {engine} died, and with it the turns of {len(trials)} trials: {trials}",
            file=sys.stderr,
            flush=True,
        )
        if self.places.died(place, begun):
            self._begin(place)
        elif not self.places.all:
            fault = fault or self._casualties.lost_engines()
        return fault

    def unheard(self, trial: int) -> Fault | None:
        """Handle the death of the process that passes on a trial's rows; return a fault if it ends the search.

        Such a death is not held against the trial.
        """
        fault = self.look()
        place = next((place for place in self.places.all if trial in place.trials), None)
        if place is None:
            return fault  # its engine has died too, and that was counted
        self.places.leave(trial)
        return fault or self._casualties.unheard(trial)

    def end(self) -> None:
        """Kill all engines; their trials have saved what they could."""
        for host in self._hosts.values():
            ray.kill(host)


def started(job: Job, resources: Resources, rungs: Collection[int], casualties: Casualties) -> Engines:
    """Start an engine on each GPU; without GPUs, on each node that has the cores for one trial."""
    lanes = -(-resources.slots // resources.engines)

    def start(place: Place, engine: str) -> Any:
        return ray.remote(Host).options(
            name=engine, max_concurrency=CALLS * lanes + WATCHING, max_restarts=0, **wanted(resources, place)
        ).remote(job, lanes, rungs)  # fmt: skip

    return Engines(Places(nodes_of(resources), lanes), start, casualties)


def nodes_of(resources: Resources) -> list[str | None]:
    """The node of each engine; None for an engine with a GPU, because Ray chooses the GPU."""
    if resources.gpus:
        return [None] * resources.engines
    return [
        node["NodeID"] for node in ray.nodes() if node["Alive"] and fit(node["Resources"], resources.cpus, 0)
    ][: resources.engines]  # fmt: skip


def wanted(resources: Resources, place: Place) -> Record:
    """Ray's options for an engine: a whole GPU and no cores; without GPUs its node, or another if its node is lost."""
    if resources.gpus:
        return {"num_cpus": 0, "num_gpus": resources.gpus}
    there = NodeAffinitySchedulingStrategy(place.node, soft=True)
    return {"num_cpus": LISTENING, "num_gpus": 0, "scheduling_strategy": there}


def follow(engine: str, turn: Turn, report: Callable[[Record], None]) -> None:
    """Have an engine train a trial for one turn, and report the rows. This runs in a trial of Tune.

    The death of the engine is reported as {"engine": its id} and not raised, because Tune's trial itself has not failed.

    Raises:
        RayTaskError: training ended by an error that is not the trial's own.
    """
    try:
        for row in rows(engine, turn):
            report(row)
    except GONE:
        report({"engine": engine})


def rows(engine: str, turn: Turn) -> Iterator[Record]:
    """Yield the rows of one turn of a trial in an engine.

    Raises:
        RayActorError: the engine has died.
        RayTaskError: see `follow`.
    """
    try:
        host = ray.get_actor(engine)
    except ValueError as error:  # no actor has that name any more
        raise RayActorError(error_msg=str(error)) from error
    gate = ray.get(host.open.remote(turn.trial))
    done = host.train.remote(gate, turn)
    try:
        while (row := ray.get(host.next.remote(gate))) is not None:
            yield row
    finally:  # also when Ray ends a stopped trial by SystemExit
        with contextlib.suppress(*GONE):
            host.leave.remote(gate)
    ray.get(done)
