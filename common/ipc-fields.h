/*
 * Part of ipc.h's reading of ipc.def: what a pass over the table leaves out.
 * With IPC_NO_FIELDS defined, the field macros that the includer did not define
 * itself expand to nothing. No include guard: it is read once per pass.
 */
#ifdef IPC_NO_FIELDS
#undef IPC_NO_FIELDS
#define IPC_U8(field, low, high)
#define IPC_U16(field)
#define IPC_U32(field)
#define IPC_U64(field)
#define IPC_BOOL(field)
#define IPC_BYTES(field, n)
#define IPC_UUID(field)
#define IPC_IP(field)
#define IPC_ENDPOINT(field)
#define IPC_PREFIX(field)
#define IPC_TEXT(field, max)
#define IPC_LINES(field, max)
#define IPC_FILTERS(field, max)
#define IPC_OPAQUE(field, max)
#define IPC_IPS(field, max)
#define IPC_PATHS(field, max)
#define IPC_END(NAME, name)
#endif
