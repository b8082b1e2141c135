# Reads what a guest's programs printed and sums GoogleTest's results, one line: "PASSED FAILED SKIPPED", then one
# line for each thing that went wrong other than by a test's own verdict; each of those is one failure.
#
# Only single tests' lines are counted ("(3 ms)" at the end), not the totals after them: a program that crashes
# prints none. A line may begin with what a test left unfinished, so nothing is anchored there.

function problem(text) { problems = problems "\n" text; failed++ }
function where() { return running == "" ? "" : " in " running }

mark = index($0, token " ") { $0 = substr($0, mark) }
$1 == token && $2 == "begin" { program = $3; running = ""; own = 0; next }
$1 == token && $2 == "end" {
    if ($4 == 124 || $4 == 137) problem(program ": did not end within its time" where())
    else if ($4 > 128) problem(program ": killed by signal " $4 - 128 where())
    else if (running != "") problem(program ": exit status " $4 " amid a test" where())
    else if ($4 != 0 && own == 0) problem(program ": exit status " $4)
    program = ""
    next
}
$1 == token && $2 == "done" { complete = 1; next }

/\[ RUN      \] / { running = $0; sub(/.*\[ RUN      \] /, "", running) }
/\[       OK \] .*\([0-9]+ ms\)$/ { passed++; running = "" }
/\[  SKIPPED \] .*\([0-9]+ ms\)$/ { skipped++; running = "" }
/\[  FAILED  \] .*\([0-9]+ ms\)$/ { failed++; own++; running = "" }

END {
    if (!complete) {
        if (program != "") problem("the guest ended or hung within " program where())
        else problem("the guest ended or hung outside its programs")
    }
    printf "%d %d %d%s\n", passed, failed, skipped, problems
}
