"""Records into tables: the engine, consumers, replays."""
