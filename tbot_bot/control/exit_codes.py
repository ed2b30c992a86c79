"""Exit codes that mean something to whoever started us."""

#: Something outside must change first (a second runner, a damaged store): a restart cannot help (EX_CONFIG).
UNHELPABLE = 78
