"""A page of docs/ with measured sections, each between <!-- begin NAME --> and <!-- end NAME -->.

    COMMAND | page.py NAME FILE      the section is what the command prints, as a block of code
"""
import datetime
import os
import pathlib
import sys


def cpu():
    with open("/proc/cpuinfo") as f:
        names = [line.split(":", 1)[1].strip() for line in f if line.startswith("model name")]
    return f"{names[0] if names else 'unknown CPU'}, {os.cpu_count()} cores"


def stamp():
    return f"{cpu()}, {datetime.date.today()}"


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def replace(path, name, text):
    """Puts `text` into the section; a file without it becomes the text alone."""
    file = pathlib.Path(path)
    page = file.read_text() if file.exists() else ""
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    if begin in page and end in page:
        text = page.split(begin)[0] + begin + text + page[page.index(end):]
    file.write_text(text)


def main():
    name, path = sys.argv[1:]
    text = sys.stdin.read()
    print(text, end="")
    replace(path, name, f"{stamp()}:\n\n```\n{text}```\n")


if __name__ == "__main__":
    main()
