"""``zerosum completion SHELL``."""

from __future__ import annotations

import re

from zerosum.errors import UsageError, nearest

VERB = ("print a script that lets a shell complete words", 190)  # what it does, and its place in the list

ASK = "--complete"  # what the scripts call, at every press of Tab: the shell, and the words or the line so far

# Each says in its first line where it belongs, and asks the program that was typed, in whatever environment that is.
BASH = r"""# zerosum completion bash > ~/.local/share/bash-completion/completions/zerosum
_zerosum() {
    local IFS=$'\n'
    COMPREPLY=($("${COMP_WORDS[0]/#\~/$HOME}" completion --complete bash \
        "${COMP_WORDBREAKS//[^:=]/}" "${COMP_LINE:0:COMP_POINT}" 2>/dev/null))
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[/:,=] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -F _zerosum zerosum
"""
ZSH = r"""#compdef zerosum
# zerosum completion zsh > DIR/_zerosum, with DIR in $fpath before compinit; or: source <(zerosum completion zsh)
_zerosum() {
    local line value about
    local -a done more done_shown more_shown
    for line in "${(@f)$("${(Q)words[1]/#\~/$HOME}" completion --complete zsh \
        "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}"; do
        value="${line%%$'\t'*}"
        about="${line#*$'\t'}"
        [[ -z $value ]] && continue
        [[ -n $about ]] && about="$value  -- $about" || about="$value"
        if [[ $value == *[/:,=] ]]; then
            more+=("$value"); more_shown+=("$about")
        else
            done+=("$value"); done_shown+=("$about")
        fi
    done
    (( $#done )) && compadd -l -d done_shown -a done
    (( $#more )) && compadd -l -S '' -d more_shown -a more
    return 0
}
if [[ $funcstack[1] == _zerosum ]]; then _zerosum "$@"; else compdef _zerosum zerosum; fi
"""
FISH = r"""# zerosum completion fish > ~/.config/fish/completions/zerosum.fish
function __zerosum_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    $words[1] completion --complete fish $words[2..-1] "$current" 2>/dev/null
end
complete -c zerosum -f -a '(__zerosum_complete)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
SPECIAL = re.compile(r"([^\w@%+=:,./~-])")  # what bash would not take as it is


HELP = """usage: zerosum completion bash|zsh|fish

Print a script that lets a shell complete verbs, recipes, options, their values, sources of data, runs and files. The
first lines of the script say where it belongs. To try it in bash or zsh: source <(zerosum completion bash)
"""


def run(argv: list[str]) -> int:
    """Print a script; or answer one, which asks what the last word can become."""
    if argv[:1] == [ASK]:
        print(*answer(*argv[1:]), sep="\n")
        return 0
    if argv in ([], ["-h"], ["--help"]):
        print(HELP, end="")
        return 0 if argv else 2
    if argv[0] not in SCRIPTS or len(argv) > 1:
        raise UsageError(f"completion {' '.join(argv)}: name one shell, bash, zsh or fish.{nearest(argv[0], SCRIPTS)}")
    print(SCRIPTS[argv[0]], end="")
    return 0


def answer(shell: str, *words: str) -> list[str]:
    """What a script is told: one word on each line, with its meaning after a tab where the shell shows it.

    Args:
        shell: bash, zsh or fish.
        words: Words after ``zerosum``. For bash, whose idea of a word differs, the characters at which it divides words
            besides spaces, and the line.
    """
    from zerosum.cli.candidates import candidates

    if shell == "bash":
        breaks, line = words
        typed, quote = split(line)
        start = max((typed[-1].rfind(character) + 1 for character in breaks), default=0) if not quote else 0
        found = [one.text[start:] for one in candidates(typed[1:])]
        return found if quote else [SPECIAL.sub(r"\\\1", text) for text in found]
    *before, current = words or ("",)
    if shell == "fish":  # which takes the escapes from all words but the last
        current = split(current)[0][-1]
    return [f"{one.text}\t{one.about}" for one in candidates([*before, current])]


def split(line: str) -> tuple[list[str], str]:
    """Divide a line that is being typed into words as a shell does; the last one may be empty.

    Returns:
        The words, and the quotation mark that is still open, or ``""``.
    """
    words, word, quote, escaped = [], "", "", False
    for character in line:
        if escaped or (quote and character not in (quote, "\\")) or (quote == "'" and character != quote):
            word, escaped = word + character, False
        elif character == "\\":
            escaped = True
        elif quote:
            quote = ""
        elif character in "'\"":
            quote = character
        elif character.isspace():
            words += [word] if word else []
            word = ""
        else:
            word += character
    return [*words, word], quote
