# One line for each BPF program and three columns for each kernel, from what prog_tests' Verifier printed there:
# instructions walked, states, bytes of the main function's stack.
#
#     awk -f vmtests/verifier.awk build/vmtests/*/output.log build/vmtests/*/[0-9]/output.log
FNR == 1 {
    kernel = FILENAME
    sub(/(\/[0-9])?\/[^\/]*$/, "", kernel)
    sub(/.*\//, "", kernel)
    object = ""
}
/^[a-z_]+, Linux .* walked +states / { object = substr($1, 1, length($1) - 1); next }
!/^bp_/ || NF != 6 { object = "" }
object != "" {
    row = sprintf("%-13s %s", object, $1)
    if (!(row in seen)) { seen[row]; rows[++count] = row }
    if (!(kernel in known)) { known[kernel]; kernels[++columns] = kernel }
    split($6, frames, "+")
    cell[row, kernel] = sprintf("%7d %5d %4d", $2, $3, frames[1])
}
END {
    if (!count) exit
    printf "%-28s", "verifier"
    for (k = 1; k <= columns; k++) printf "  %18s", kernels[k]
    printf "\n%-28s", "object        program"
    for (k = 1; k <= columns; k++) printf "  %7s %5s %4s", "walked", "state", "stck"
    print ""
    for (r = 1; r <= count; r++) {
        printf "%-28s", rows[r]
        for (k = 1; k <= columns; k++) printf "  %18s", (rows[r], kernels[k]) in cell ? cell[rows[r], kernels[k]] : "-"
        print ""
    }
}
