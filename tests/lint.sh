#!/bin/sh
# The rules of the code base that no compiler knows, checked on the sources and on the objects in the build given:
#     sh tests/lint.sh build/release ROOM..., the rooms from the top down
# Prints one line per breach, as file:line: rule or file: rule, and exits 1 if there is any.
set -u
objects=${1:?lint.sh: the folder of a release build is required}
shift
rooms=$*
breaches=$(mktemp)
trap 'rm -f "$breaches"' EXIT

# Without git (a source archive): whatever lies in the folders of the project.
list() {
    if git rev-parse --git-dir >/dev/null 2>&1; then git ls-files -- "$@"; else
        for pattern in "$@"; do find . -path ./build -prune -o -type f -name "$pattern" -print; done | sed 's|^\./||'
    fi
}
sources=$(list '*.c' '*.h' '*.def' '*.inc')
in_rooms=$(for room in $rooms; do printf '%s\n' "$sources" | grep -E "^$room/[^/]*\$"; done)
object_files=$(for room in $rooms; do find "$objects/$room" -maxdepth 1 -name '*.o' 2>/dev/null; done)
if [ -z "$in_rooms" ] || [ -z "$object_files" ]; then
    echo "lint.sh: $objects: holds no objects of this tree; a release build is required" >&2
    exit 2
fi

# breach RULE: one line per line of stdin
breach() { sed "s|\$| $1|" >>"$breaches"; }

# matches PATTERN FILE...: file:line: of every match, /dev/null so that grep names the file
matches() {
    pattern=$1
    shift
    grep -nE "$pattern" /dev/null "$@" | place
}
place() { sed 's/^\([^:]*:[0-9]*:\).*/\1/'; } # of what grep -n says
without() { printf '%s\n' "$in_rooms" | grep -vE "$1"; }

# ---- the sources -------------------------------------------------------------------------------------------------

# shellcheck disable=SC2046,SC2086 # file names of this project hold no spaces
check_sources() {
    grep -nE '^[[:space:]]*#[[:space:]]*pragma[[:space:]]+omp' /dev/null $(without '^base/parallel\.c$') |
        grep -vE 'omp[[:space:]]+(declare[[:space:]]+)?simd' | place |
        breach 'an OpenMP region; only base/parallel.c opens one'

    matches '\b(v?printf|puts|putchar|perror)\(|\bfprintf\(std' $(printf '%s\n' $in_rooms | grep '^cli/') |
        breach 'cli/ prints with cli_print and cli_note, which make texts safe for a terminal'

    grep -nE '^[[:space:]]*#[[:space:]]*(if|ifdef|ifndef|elif)' /dev/null $(without '^(base|kernels)/') |
        grep -vE '#ifndef BITFOLD_[A-Z0-9_]+_H$' | place | breach 'conditional compilation; only base/ and kernels/ may'

    printf '%s\n' $sources $(list '*.sh' Makefile) | xargs wc -l |
        awk '$2 != "total" && $1 > 400 { print $2 ": " $1 " lines;" }' | breach 'at most 400 are allowed'

    awk 'FNR == 1 { begin = 0 } /^\{/ { begin = FNR }
        /^\}/ && begin { if (FNR - begin > 81) print FILENAME ":" begin ": a function of " FNR - begin - 1 " lines;"; begin = 0 }' \
        $(without '^kernels/') $(list 'tests/*.c' 'bench/*.c') | breach 'at most 80 are allowed'

    matches '\b(TO[D]O|FIX[M]E|XX[X])\b' $sources $(list '*.sh' Makefile) | breach 'unfinished work'
    matches '[[:space:]]+$' $sources $(list '*.sh' '*.md' '*.json' Makefile) | breach 'space at the end of a line'

    awk 'FNR == 1 { guard = "BITFOLD_" toupper(FILENAME); gsub(/[\/.]/, "_", guard) }
        $0 == "#ifndef " guard { has[FILENAME] = 1 }
        END { for (i = 1; i < ARGC; i++) if (!(ARGV[i] in has)) print ARGV[i] ":" }' $(printf '%s\n' $in_rooms | grep '\.h$') |
        breach 'the include guard must be the path in capitals'
}

# A room includes itself and the rooms above it in the table; optim/ needs autograd/ only, datasets/ only base/,
# autograd/tensor.h and tasks/target.h.  The texts of exported kernels are deploy/c/'s.  Paths start at the top of the tree.
check_include_order() {
    # shellcheck disable=SC2086
    grep -HoE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"[^"]*"' $in_rooms |
        sed 's/^\([^:]*\):.*"\(.*\)"/\1 \2/' | awk -v rooms="$rooms" '
        function is_format(room) { return room ~ /^deploy\/./ }
        BEGIN { n = split(rooms, name, " "); for (i = 1; i <= n; i++) rank[name[i]] = i }
        {
            from = to = $1; to = $2; sub("/[^/]*$", "", from); sub("/[^/]*$", "", to)
            sub("/c_kernels$", "", to)
            if (to == "include") next
            bad = !(to in rank) || rank[to] > rank[from] || (is_format(from) && is_format(to) && from != to)
            if (from == "optim" && (to == "quant" || to == "graph" || to == "layers")) bad = 1
            if (from == "datasets" && to != "base" && to != "datasets" && $2 != "autograd/tensor.h" && $2 != "tasks/target.h") bad = 1
            if (bad) print $1 ": includes " $2 ";"
        }' | breach 'a room includes itself and those above it'
}

# ---- the objects -------------------------------------------------------------------------------------------------

# refers OWNERS SYMBOLS: objects that use one of the symbols and are not among the owners (regular expressions)
refers() {
    # shellcheck disable=SC2086
    nm -A -u $object_files | sed "s|^$objects/||" | awk -v owners="$1" -v symbols="$2" '
        { sub(/:$/, "", $1); split($1, part, ":"); file = part[1]; name = $NF; sub(/@.*/, "", name)
          if (file !~ owners && name ~ symbols) { sub(/o$/, "c", file); print file ": uses " name ";" } }'
}

# A header declares functions and objects of its own room alone: the prototypes in its first column, and what is extern.
check_declarations() {
    # shellcheck disable=SC2046,SC2086
    {
        nm -A --defined-only $object_files | sed "s|^$objects/||" |
            awk '$(NF - 1) ~ /^[TDRBVC]$/ { sub(/:.*/, "", $1); print $NF, $1 }'
        echo
        awk '/^(static|typedef|struct|enum|union|#)/ || /\{/ { next }
            /^extern / { sub(/(\[[^]]*\])*;.*/, ""); sub(/.*[ *]/, ""); print FILENAME, $0; next }
            /^[A-Za-z_].*\(/ { sub(/\(.*/, ""); sub(/.*[ *]/, ""); print FILENAME, $0 }' $(printf '%s\n' $in_rooms | grep '\.h$')
    } | awk 'function room_of(file) { sub(/\/[^\/]*$/, "", file); return file }
        NF == 0 { declared = 1; next }
        !declared { room[$1] = room_of($2); next }
        $2 in room && room[$2] != room_of($1) { print $1 ": declares " $2 " of " room[$2] "/;" }' |
        breach 'a header declares what its own room defines'
}

# Pairs of objects, caller and called, from what `nm -A` says.  Types that are reached through a table (LayerType,
# NodeType, ...) are data: whoever calls through it knows none of them.
calls() {
    sed "s|^$objects/||" | awk '{ split($1, part, ":"); name = $NF }
        $(NF - 1) == "T" { owner[name] = part[1] }
        $(NF - 1) == "U" { user[++n] = part[1]; used[n] = name }
        END { for (i = 1; i <= n; i++) if (used[i] in owner && owner[used[i]] != user[i]) print user[i], owner[used[i]] }'
}
# A line for each circle in pairs: the files on it.
circles() { LC_ALL=C tsort 2>&1 >/dev/null | sed 's/^tsort: //; s/\.o$/.c/; s/^-: .*/:/' | tr '\n' ' ' | tr ':' '\n' | sed 's/^ *//; s/ *$//' | grep .; }

check_circles() {
    made='a.o:0 T fa\na.o: U fb\nb.o:0 T fb\nb.o: U fc\nc.o:0 T fc\n'
    # shellcheck disable=SC2059 # the text is the format
    if printf "$made" | calls | circles >/dev/null || [ "$(printf "${made}c.o: U fa\n" | calls | circles | wc -w)" != 3 ]; then
        echo tests/lint.sh: | breach 'does not know a circle'
    fi
    # shellcheck disable=SC2086
    nm -A $object_files | calls | circles | breach 'call each other in a circle'
}

check_calls() {
    refers '^base/arena\.o$' '^(malloc|calloc|realloc|reallocarray|aligned_alloc|posix_memalign|strn?dup|v?asprintf)$' |
        breach 'memory comes from base/arena.c alone'
    refers '^(cli/.*|base/(arena|assert)\.o)$' \
        '^(v?printf|__v?printf_chk|puts|putchar|perror|stdout|stderr|_?exit|_Exit|quick_exit|abort)$' |
        breach 'only cli/ prints or exits'
    refers '^base/parallel\.o$' '^(GOMP_|omp_)' | breach 'only base/parallel.c speaks OpenMP'
    refers '^(base/(file|file_write|machine|temporary)|cli/(main|fetch_tools)|train/run_folder)\.o$' \
        '^(fopen|freopen|open|openat|creat|mkstemp|mkostemp|tmpfile|gzopen|memfd_create)(64)?$' |
        breach 'files are opened with base/file.h'
    refers '^$' '^(rand|srand|random|drand48|rand_r)$' | breach 'random numbers come from base/rng.c'
}

# File-scope and function-static variables that can change.  Constant tables with pointers in them lie in .data.rel.ro.
#     kernels/dispatch.c          the kernel table
#     base/parallel.c: threads    the thread count
#     base/batch_share.c: share   what of a batch is this process's
#     base/status.c: message      the sentence, one per thread
#     cli/                        what a signal handler sets
check_globals() {
    # shellcheck disable=SC2086
    objdump -t $object_files | awk -v prefix="$objects/" '
        /file format/ { file = substr($1, length(prefix) + 1); sub(/:$/, "", file); sub(/o$/, "c", file); next }
        match($0, /[ \t](\.bss|\.data|\.tbss|\.tdata|\.data\.rel|\.data\.rel\.local|\*COM\*)[ \t]/) {
            name = $NF
            if (name ~ /^\./) next
            sub(/\.[0-9]+$/, "", name)
            print file ": " name
        }' | grep -vxE 'kernels/dispatch\.c: .*|base/parallel\.c: threads|base/batch_share\.c: share|base/status\.c: message|cli/.*' |
        breach 'is a mutable global'
}

check_exports() {
    nm -D --defined-only "$objects/libbitfold.so" | awk '$NF !~ /^bitfold_/ { print "libbitfold.so: exports " $NF ";" }' |
        breach 'public names start with bitfold_'
}

# The functions of a C header, or of the C in a page: one a line, as "type name(parameters);".
signatures() {
    sed '/^```/d; s|/\*[^*]*\*/||g; s/BITFOLD_API//' "$1" | tr '\n' ' ' | grep -oE '[a-z_]+( +[a-z_]+)* +\**bitfold_[a-z_]+\([^()]*\);' |
        sed -E 's/ +/ /g; s/^ //' | sort
}
check_library_page() {
    page=$(mktemp)
    signatures docs/library.md >"$page"
    signatures include/bitfold.h | comm -3 - "$page" | sed 's/^\t*/docs\/library.md: /' |
        breach 'is not the same in include/bitfold.h and on this page'
    [ -s "$page" ] || echo docs/library.md: | breach 'has no signatures'
    rm -f "$page"
}

check_sources
check_library_page
check_include_order
check_declarations
check_circles
check_calls
check_globals
check_exports
sort -u "$breaches"
if [ -s "$breaches" ]; then
    echo "lint: $(sort -u "$breaches" | wc -l) breaches" >&2
    exit 1
fi
