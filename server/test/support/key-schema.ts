export { Key } from '@pennon/schema';
