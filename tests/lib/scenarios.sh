# Scenarios by columns, such as generations of the protocol: what the checks in
# a scenario say is its result in the column of the moment, and a table shows
# all at the end. Sourced after netns.sh.

column="" # the one of the moment
declare -A result # of "column scenario"
scenarios="" # in their order, by lines

# scenario NAME FUNCTION [ARGUMENT ...]
scenario() {
	local before=$tests_failed name=$1
	shift
	[[ $'\n'$scenarios = *$'\n'$name$'\n'* ]] || scenarios+=$name$'\n'
	"$@"
	result[$column $name]=ok
	[ $tests_failed -eq "$before" ] || result[$column $name]=FAILED
}

# The checks of netns.sh, by column.
checked() { check "$column: $1" "${@:2}"; }
refused() { refuse "$column: $1" "${@:2}"; }
same() { is "$column: $1" "$2" "$3"; }

# print_table COLUMN ...
print_table() {
	local name
	printf '\n# %-24s' ""
	printf ' %-7s' "$@"
	echo
	while read -r name; do
		[ -n "$name" ] || continue
		printf '# %-24s' "$name"
		for column; do
			printf ' %-7s' "${result[$column $name]:--}"
		done
		echo
	done <<< "$scenarios"
}

# start_over: without any of the three ends, and what the portal knew.
start_over() {
	local name
	for name in client gateway portal; do
		stop $name
	done
	rm -f "$work/state.json"
}

# era GENERATION [LINE ...]: of the portal, with further settings of it.
era() {
	printf '\n[era]\ngeneration = %s\n' "$1"
	shift
	[ $# -eq 0 ] || printf '%s\n' "$@"
}
