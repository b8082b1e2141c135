# Reads what a guest's programs printed and shows what is not plain success: of a test that failed, or was running when
# its program ended, everything that it printed; of one that was skipped, a line with the reason.

function start() { printing = ""; reason = "" }
function show() { printf "%s", printing; start() }

mark = index($0, token " ") { if ($0 ~ / end /) { if (running) show(); running = 0 } next }
/\[ RUN      \] / { start(); running = 1 }
running { printing = printing $0 "\n" }
/\[       OK \] .*\([0-9]+ ms\)$/ { start(); running = 0; next }
/\[  FAILED  \] .*\([0-9]+ ms\)$/ { show(); running = 0; next }
/\[  SKIPPED \] .*\([0-9]+ ms\)$/ { sub(/ \([0-9]+ ms\)$/, ""); print $0 ": " reason; start(); running = 0; next }
running { reason = $0 }

END { if (running) show() }
