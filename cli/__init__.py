"""The command line: parse what was typed, call the cmdlet, print what came of it."""
