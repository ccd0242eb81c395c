"""What a trial is put together from: functions and classes, the built-in ones and a user's, told apart by nothing. No torch."""
