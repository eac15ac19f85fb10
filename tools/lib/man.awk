# man.awk - docs/cli.md as the manual page blockrepl(8). Knows the Markdown that the file uses: headings, paragraphs, lists,
# tables, blocks of code, `code`, **bold** and links.
function inline(text) {
    gsub(/\\/, "\\e", text)
    while (match(text, /\[[^]]*\]\([^)]*\)/)) {
        link = substr(text, RSTART, RLENGTH)
        sub(/^\[/, "", link); sub(/\]\(.*/, "", link)
        text = substr(text, 1, RSTART - 1) link substr(text, RSTART + RLENGTH)
    }
    gsub(/\*\*/, "", text)
    while (match(text, /`[^`]*`/))
        text = substr(text, 1, RSTART - 1) "\\fB" substr(text, RSTART + 1, RLENGTH - 2) "\\fR" substr(text, RSTART + RLENGTH)
    gsub(/-/, "\\-", text)
    if (text ~ /^[.']/) text = "\\&" text
    return text
}
function code(on) {
    if (on && !incode) print ".PP\n.nf\n.RS"
    if (!on && incode) print ".RE\n.fi"
    incode = on
}
BEGIN { printf ".TH BLOCKREPL 8 \"%s\" \"BlockRepl %s\" \"BlockRepl\"\n.SH NAME\nblockrepl \\- block\\-level replication between two nodes\n.SH SYNOPSIS\n", date, version }
NR == 1 { next }
/^    / { code(1); line = substr($0, 5); gsub(/\\/, "\\e", line); gsub(/-/, "\\-", line); if (line ~ /^[.']/) line = "\\&" line; print line; next }
/^$/ { if (!incode) blank = 1; next }
{ code(0) }
/^#+ / { sub(/^#+ /, ""); print ".SH " toupper(inline($0)); blank = 0; intable = 0; synopsis = 1; next }
/^\|[-|: ]*\|$/ { next }
/^\|/ {
    sub(/^\| */, ""); sub(/ *\|$/, "")
    gsub(/\\\|/, "\001")
    n = split($0, cell, / *\| */)
    if (!intable) { intable = 1; blank = 0; next }
    print ".TP\n" inline(cell[1])
    rest = ""
    for (i = 2; i <= n; i++) if (cell[i] != "") rest = rest (rest == "" ? "" : "; ") cell[i]
    gsub(/\001/, "|", rest)
    print inline(rest == "" ? "\\&" : rest)
    next
}
{ intable = 0 }
/^- / { print ".IP \\(bu 2"; sub(/^- /, ""); blank = 0 }
{
    if (blank) print ".PP"
    blank = 0
    sub(/^ +/, "")
    print inline($0)
    if (!described && !synopsis) { described = 1 }
}
END { code(0) }
