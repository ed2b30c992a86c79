from tbot_bot.storage.migration_env import run

run()
