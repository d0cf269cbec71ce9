/* Part of the reading of ipc.def: ends a pass. No include guard. */
#undef IPC_MESSAGE
#undef IPC_U8
#undef IPC_U16
#undef IPC_U32
#undef IPC_U64
#undef IPC_BOOL
#undef IPC_BYTES
#undef IPC_UUID
#undef IPC_IP
#undef IPC_ENDPOINT
#undef IPC_PREFIX
#undef IPC_TEXT
#undef IPC_LINES
#undef IPC_FILTERS
#undef IPC_END
