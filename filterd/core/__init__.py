"""PURE: no sockets, files, clocks, logging or asyncio. Values in, values out; `now` is a parameter."""
