/*
 * Whom the kernel ends when memory is short: not the parent, without which all
 * that was set up stays behind and nothing is started again. The workers are as
 * likely as before.
 */
#ifndef PARENT_OOM_H
#define PARENT_OOM_H

/* Spares this process, as far as that is allowed. */
void oom_spare(void);
/* In a child of it: as it was before. -1 with errno. */
int oom_do_not_spare(void);

#endif /* PARENT_OOM_H */
