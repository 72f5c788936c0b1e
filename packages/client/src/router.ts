/**
 * The one import from the server, and of types only. The published package has no server beside it: there
 * this module's declarations are the router's types themselves, rolled up into one file.
 */
export type { AppRouter } from '@pennon/server/router';
