"""``python -m zerosum.equations``, in the repository: writes ``docs/EQUATIONS.md``."""

from zerosum.equations import SOURCE, equations, page

if __name__ == "__main__":
    target = SOURCE.parents[1] / "docs" / "EQUATIONS.md"
    target.write_text(page(), "utf-8")
    print(f"{len(equations())} entries: {target}")
