# posternd as it runs on a kernel that refuses what it is told to (see
# integration/refusing_kernel.c). Sourced after netns.sh.

copy_program() {
	mkdir "$work/bin"
	chmod 755 "$work/bin"
	cp "$BUILD/tests/integration/posternd-refusing" "$work/bin/posternd"
	refuse_at 0
	POSTERND=$work/bin/posternd
}

# refuse_at WHAT: see refusing_kernel.c. In place, as the file is mapped.
refuse_at() {
	printf %s "$1" 1<> "$work/bin/posternd.refuse"
}
