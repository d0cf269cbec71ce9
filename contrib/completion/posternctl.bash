# bash completion for posternctl(8).

# What the running daemon knows, where it can be asked: ids, addresses and names
# of clients, one a line.
_posternctl_clients() {
	posternctl "$@" -j clients 2> /dev/null | grep -o \
	    '"\(client\|ipv4\|email\|actor\)":"[^"]*"' |
	    sed 's/^"[a-z0-9]*":"//; s/"$//' | LC_ALL=C sort -u
}

# Of those that begin with what has been typed; names may have blanks. What
# readline takes for words of their own, up to an "@" or ":", is there already.
_posternctl_offer_clients() {
	local client there=${cur%"${cur##*[@:]}"}
	while IFS= read -r client; do
		[[ $client != "$cur"* ]] ||
			COMPREPLY+=("$(printf '%q' "${client#"$there"}")")
	done < <(_posternctl_clients "$@")
}

_posternctl() {
	local line=${COMP_LINE:0:COMP_POINT} cur i
	local -a all words=() socket=()
	COMPREPLY=()
	read -a all <<< "$line"
	[[ $line != *[^\\]" " ]] || all+=("")
	cur=${all[${#all[@]} - 1]}
	for ((i = 1; i < ${#all[@]} - 1; i++)); do
		case ${all[i]} in
		-o | --output | -s | --socket)
			if ((i + 2 == ${#all[@]})); then
				COMPREPLY=($(compgen -f -- "$cur"))
				return
			fi
			((i++))
			[[ ${all[i - 1]} != -@(s|-socket) ]] ||
				socket=(-s "${all[i]}")
			;;
		-n | --count | --within) ((i++)) ;;
		-*) ;;
		*) words+=("${all[i]}") ;;
		esac
	done
	if [[ $cur = -* && ${words[0]-} = drain ]]; then
		COMPREPLY=($(compgen -W '--cancel --within' -- "$cur"))
	fi
	if [[ $cur = -* ]]; then
		COMPREPLY+=($(compgen -W '--count --follow --help --json --mask
		    --output --socket --version --wide -f -h -j -m -n -o -s -V
		    -w' -- "$cur"))
		return
	fi
	case ${words[0]-}/${#words[@]} in
	/0)
		COMPREPLY=($(compgen -W 'clients debug drain explain flows log
		    netcheck relays resources status top' -- "$cur"))
		;;
	clients/1 | explain/1 | flows/1) _posternctl_offer_clients "${socket[@]}" ;;
	log/1) COMPREPLY=($(compgen -W 'error warn info debug trace' -- "$cur")) ;;
	explain/2) COMPREPLY=($(compgen -W 'tcp udp icmp' -- "$cur")) ;;
	esac
}

complete -F _posternctl posternctl
