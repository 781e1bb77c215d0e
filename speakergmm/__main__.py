"""``python -m speakergmm`` is the command line."""

from speakergmm.cli import main

if __name__ == "__main__":
    main()
