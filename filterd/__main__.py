"""`python -m filterd` is the command `filterd`."""

from filterd.cli.main import main

if __name__ == "__main__":
    main(prog_name="filterd")
