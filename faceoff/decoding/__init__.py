"""How photos are read: which files are taken (formats), what becomes of their bytes (upright), and the room where that
happens when the bytes come from strangers (pool.Decoder): child processes with little memory and little time."""
