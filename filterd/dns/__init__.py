"""The DNS shell: sockets, processes, timers. It decides nothing."""
