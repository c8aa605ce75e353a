-- The time of the server that keeps an owner's list (µs). KEYS: list.
return string.format('%.0f', time_us())
