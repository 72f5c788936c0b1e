/**
 * The only import from the server, for types only. The published package does not depend on the server:
 * its build replaces the declarations of this module by the router's own types in one file.
 */
export type { AppRouter } from '@pennon/server/router';
