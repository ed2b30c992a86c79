"""Exit codes that mean something to whoever started us."""

#: Something outside must change first (a second runner, a damaged store): a restart cannot help (EX_CONFIG).
UNHELPABLE = 78
#: All is well, and we are to be started again at once: what was restored is put in place by the next start.
START_AGAIN = 75
