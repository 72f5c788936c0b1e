import { builtinModules } from 'node:module';
import { posix } from 'node:path';

/** One `import`, `export … from` or `import()` of a source file. */
export type Import = { readonly specifier: string; readonly typeOnly: boolean };

/** The fields of a package.json that the rules read. */
export type Manifest = {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly publishConfig?: object;
};

/** A source file. `path` is from the root, `folder` and `manifest` are those of its package. */
export type SourceFile = {
  readonly path: string;
  readonly source: string;
  readonly folder: string;
  readonly manifest: Manifest;
};

/** The packages of this repository that each package may import; `type` permits only types. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  '@pennon/schema': [],
  '@pennon/engine': ['type @pennon/schema'],
  '@pennon/statistics': [],
  '@pennon/sync': ['type @pennon/schema'],
  '@pennon/client': ['@pennon/sync', 'type @pennon/server', 'type @pennon/schema'],
  '@pennon/server': ['@pennon/schema', '@pennon/engine', '@pennon/statistics'],
  '@pennon/server-provider': ['@pennon/engine', '@pennon/sync', 'type @pennon/schema'],
  '@pennon/web-provider': ['@pennon/sync', 'type @pennon/schema'],
  '@pennon/console': ['type @pennon/client', 'type @pennon/schema'],
  '@pennon/cli': ['@pennon/client', '@pennon/schema'],
};

const STATEMENT =
  /^[ \t]*(?:import|export)\b(?<clause>[^'"`;()]*?\bfrom)?\s*(?<quote>['"])(?<specifier>.+?)\k<quote>/gm;
const CALL = /\bimport\s*\(\s*(?:(?<quote>['"])(?<specifier>.+?)\k<quote>)?/g;

const withoutComments = (source: string): string =>
  source.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');

/**
 * Returns every import of a source. Import statements inside string literals do not count. A call
 * whose argument is not a plain string has the specifier `(computed)`.
 */
export const importsOf = (source: string): Import[] => {
  const code = withoutComments(source);
  const statements = [...code.matchAll(STATEMENT)].map(({ groups }) => ({
    specifier: groups?.['specifier'] ?? '',
    typeOnly: /^\s*type\b/.test(groups?.['clause'] ?? ''),
  }));
  const calls = [...code.matchAll(CALL)].map(({ groups }) => ({
    specifier: groups?.['specifier'] ?? '(computed)',
    typeOnly: false,
  }));
  return [...statements, ...calls].filter(({ specifier }) => !specifier.includes('${'));
};

/** Returns `@scope/name` or `name`, without the path inside the package. */
const packageOf = (specifier: string): string =>
  specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');

const isNodeModule = (specifier: string): boolean =>
  specifier.startsWith('node:') || builtinModules.includes(specifier);

const declares = (
  manifest: Manifest,
  name: string,
  typeOnly: boolean,
  isTest: boolean,
): boolean => {
  const { dependencies, devDependencies, peerDependencies, publishConfig } = manifest;
  const atRuntime = { ...dependencies, ...peerDependencies };
  // Publishing a package bundles its development dependencies.
  const isBundled = publishConfig !== undefined && !name.startsWith('@pennon/');
  const withDevelopment = typeOnly || isTest || isBundled;
  return name in (withDevelopment ? { ...atRuntime, ...devDependencies } : atRuntime);
};

const isTestSupport = (path: string): boolean =>
  path.includes('/test/') && !/\.(test|bench)\.tsx?$/.test(path);

/**
 * Checks a relative import. Source stays in the source of its package. A test may also import types
 * and test support of other packages: the files next to their tests that are not tests.
 */
const relativeProblem = (file: SourceFile, isTest: boolean, found: Import): string | undefined => {
  const target = posix.join(posix.dirname(file.path), found.specifier);
  const bounds = isTest ? `${file.folder}/` : `${file.folder}/src/`;
  if (target.startsWith(bounds)) return undefined;
  if (isTest && (found.typeOnly || isTestSupport(target))) return undefined;
  return `imports ${target} from outside of ${bounds}`;
};

const workspaceProblem = (
  { manifest }: SourceFile,
  name: string,
  typeOnly: boolean,
): string | undefined => {
  const allowed = ALLOWED[manifest.name];
  if (!name.startsWith('@pennon/') || allowed === undefined || allowed.includes(name))
    return undefined;
  if (typeOnly && allowed.includes(`type ${name}`)) return undefined;
  return `may not import ${typeOnly ? 'types of ' : ''}${name}: ${manifest.name} does not depend on it`;
};

/** Returns what is wrong with one import, if anything. Every test may use the tools of the root. */
const problemOf = (file: SourceFile, root: Manifest, found: Import): string | undefined => {
  const { specifier, typeOnly } = found;
  const isTest = !file.path.startsWith(`${file.folder}/src/`);
  if (specifier === '(computed)')
    return isTest ? undefined : 'has an import() with a computed name';
  if (specifier.startsWith('.')) return relativeProblem(file, isTest, found);
  const name = packageOf(specifier);
  if (isNodeModule(specifier) || name === file.manifest.name) return undefined;
  const isKnown = declares(file.manifest, name, typeOnly, isTest);
  if (!isKnown && !(isTest && declares(root, name, typeOnly, isTest)))
    return `imports ${name}, which its package.json does not declare`;
  return isTest ? undefined : workspaceProblem(file, name, typeOnly);
};

/** Returns a sentence for each import of a file that breaks a rule. */
export const forbiddenImports = (file: SourceFile, root: Manifest): string[] =>
  importsOf(file.source).flatMap(found => {
    const problem = problemOf(file, root, found);
    return problem === undefined ? [] : [`${file.path} ${problem}`];
  });

/**
 * Returns every import cycle between the folders of `root`, such as `keys -> audit -> keys`. A file
 * directly in `root` counts as a folder of its own. Imports of types count too, because a reader
 * follows them as well.
 */
export const folderCycles = (
  files: readonly Pick<SourceFile, 'path' | 'source'>[],
  root: string,
): string[] => {
  const graph = folderGraph(files, root);
  const cycles = new Set<string>();
  const visited = new Set<string>();
  const visit = (folder: string, path: readonly string[]): void => {
    const start = path.indexOf(folder);
    if (start !== -1) cycles.add([...path.slice(start), folder].join(' -> '));
    if (visited.has(folder)) return;
    visited.add(folder);
    for (const next of graph.get(folder) ?? []) visit(next, [...path, folder]);
  };
  for (const folder of graph.keys()) visit(folder, []);
  return [...cycles];
};

const folderGraph = (
  files: readonly Pick<SourceFile, 'path' | 'source'>[],
  root: string,
): ReadonlyMap<string, ReadonlySet<string>> => {
  const folderOf = (path: string): string => posix.relative(root, path).split('/', 1)[0] ?? '';
  const graph = new Map<string, Set<string>>();
  for (const { path, source } of files) {
    const targets = importsOf(source)
      .filter(({ specifier }) => specifier.startsWith('.'))
      .map(({ specifier }) => folderOf(posix.join(posix.dirname(path), specifier)));
    const known = graph.get(folderOf(path)) ?? new Set();
    graph.set(folderOf(path), new Set([...known, ...targets]));
  }
  for (const [folder, targets] of graph) targets.delete(folder);
  return graph;
};
