"""The parts of `tongbao replay`: the file, its people and places, the flow of commands, the comparison, the watch."""
