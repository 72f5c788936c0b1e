import { Role } from '@pennon/schema';

/** Permissions by role. Every route and procedure requires one, or is rejected at startup. */
const READ = [
  'flags.read',
  'segments.read',
  'environments.read',
  'audit.read',
  'usage.read',
  'experiments.read',
] as const;
const WRITE = ['flags.write', 'segments.write', 'experiments.write', 'ramps.write'] as const;
const EVALUATE = ['evaluate'] as const;
const EXPLAIN = ['explain'] as const;
const VALUES = ['values.stream'] as const;
const REPORT = ['usage.write', 'events.write'] as const;
const FLAG_SET = ['flagSet.read'] as const;
const TYPES = ['types.read'] as const;
const MANAGE = ['environments.manage', 'keys.manage'] as const;
const OPERATE = ['metrics.read'] as const;
const TRANSFER = ['data.transfer'] as const;
const EVENTS = ['events.read'] as const;
const ACCOUNT = ['account.own'] as const;
const PEOPLE = ['people.manage'] as const;

export const ROLES = {
  client: [...EVALUATE, ...VALUES, ...REPORT],
  server: [...EVALUATE, ...EXPLAIN, ...VALUES, ...REPORT, ...FLAG_SET, ...TYPES],
  viewer: [...READ, ...EVALUATE, ...EXPLAIN, ...TYPES, ...OPERATE, ...ACCOUNT],
  editor: [...READ, ...WRITE, ...EVALUATE, ...EXPLAIN, ...TYPES, ...OPERATE, ...ACCOUNT],
  admin: [
    ...READ,
    ...WRITE,
    ...EVALUATE,
    ...EXPLAIN,
    ...VALUES,
    ...REPORT,
    ...FLAG_SET,
    ...TYPES,
    ...MANAGE,
    ...OPERATE,
    ...TRANSFER,
    ...EVENTS,
    ...ACCOUNT,
    ...PEOPLE,
  ],
} as const satisfies Record<Role, readonly string[]>;

export type Permission = (typeof ROLES)[Role][number];

const allowed: Readonly<Record<Role, ReadonlySet<Permission>>> = {
  client: new Set(ROLES.client),
  server: new Set(ROLES.server),
  viewer: new Set(ROLES.viewer),
  editor: new Set(ROLES.editor),
  admin: new Set(ROLES.admin),
};

/** Roles of people, each of which has the permissions of those before it. */
const RANKS: readonly Role[] = ['viewer', 'editor', 'admin'];

/** Returns the role with more permissions. */
export const higherRole = <A extends Role | undefined>(a: Role | undefined, b: A): A | Role => {
  if (a === undefined) return b;
  return b === undefined || RANKS.indexOf(b) < RANKS.indexOf(a) ? a : b;
};

/** Returns the role with fewer permissions. */
export const lowerRole = (a: Role, b: Role): Role => (RANKS.indexOf(a) < RANKS.indexOf(b) ? a : b);

/** Names the roles that have a permission, for messages: `"editor" or "admin"`. */
export const describeRoles = (permission: Permission): string =>
  Role.options
    .filter(role => allowed[role].has(permission))
    .map(role => `"${role}"`)
    .join(' or ');

export const hasPermission = (role: Role, permission: Permission): boolean =>
  allowed[role].has(permission);
