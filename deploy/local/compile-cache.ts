import { fileURLToPath } from 'node:url';

/** Two dozen processes and every command load the same modules: compiled once, each starts in half the time. */
export const COMPILE_CACHE = fileURLToPath(new URL('../../node_modules/.cache/yilian', import.meta.url));
