/* What --version says of this build and this machine. */
#ifndef PARENT_VERSION_H
#define PARENT_VERSION_H

/* Libraries of the parent and what the kernel has, a line each. */
void version_print_parent(void);

#endif /* PARENT_VERSION_H */
