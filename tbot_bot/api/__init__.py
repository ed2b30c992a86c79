"""The vocabulary that runner, bot and portal share: permissions, settings, requests, answers, errors."""
