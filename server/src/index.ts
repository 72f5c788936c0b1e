export { systemClock, type Clock } from './clock.ts';
export { readConfig } from './config.ts';
export { secureRandom } from './random.ts';
export { createServer, type Server, type ServerOptions } from './server.ts';
export { openMemoryStore } from './store/memory.ts';
export { openSqliteStore } from './store/sqlite/index.ts';
