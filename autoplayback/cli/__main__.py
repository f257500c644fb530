"""`python -m autoplayback.cli`: the console command, where its script isn't on the PATH."""

from autoplayback.cli import main

if __name__ == "__main__":
    main()
