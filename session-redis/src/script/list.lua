-- KEYS: list. Answers the server's time (ms) and the list with its scores.
return {string.format('%.0f', time_us() / 1000), redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')}
