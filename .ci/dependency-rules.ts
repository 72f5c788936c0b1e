import { builtinModules } from 'node:module';
import { posix } from 'node:path';

/** One `import`, `export … from` or `import()` of a source file. */
export type Import = { readonly specifier: string; readonly typeOnly: boolean };

/** What a package.json says that matters here. */
export type Manifest = {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
};

/** A source file by its path from the root, the folder of its package, and that package's manifest. */
export type SourceFile = {
  readonly path: string;
  readonly source: string;
  readonly folder: string;
  readonly manifest: Manifest;
};

/** Which packages of ours the source of a package may stand on; `type` only for its types. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  '@pennon/schema': [],
  '@pennon/engine': ['type @pennon/schema'],
  '@pennon/sync': ['type @pennon/schema'],
  '@pennon/client': ['type @pennon/server', 'type @pennon/schema'],
  '@pennon/server': ['@pennon/schema', '@pennon/engine'],
  '@pennon/server-provider': ['@pennon/engine', '@pennon/sync', 'type @pennon/schema'],
  '@pennon/web-provider': ['@pennon/sync', 'type @pennon/schema'],
  '@pennon/console': ['@pennon/client', 'type @pennon/schema'],
  '@pennon/cli': ['@pennon/client', '@pennon/schema'],
};

const STATEMENT =
  /^[ \t]*(?:import|export)\b(?<clause>[^'"`;()]*?\bfrom)?\s*(?<quote>['"])(?<specifier>.+?)\k<quote>/gm;
const CALL = /\bimport\s*\(\s*(?:(?<quote>['"])(?<specifier>.+?)\k<quote>)?/g;

const withoutComments = (source: string): string =>
  source.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');

/**
 * Every import of a source, and none of a text that it writes. A call whose argument is no plain text
 * has the specifier `(computed)`.
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

/** `@scope/name` or `name`, without the path inside the package. */
const packageOf = (specifier: string): string =>
  specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');

const isOfNode = (specifier: string): boolean =>
  specifier.startsWith('node:') || builtinModules.includes(specifier);

const declares = (
  manifest: Manifest,
  name: string,
  typeOnly: boolean,
  isTest: boolean,
): boolean => {
  const { dependencies, devDependencies, peerDependencies } = manifest;
  const forRunning = { ...dependencies, ...peerDependencies };
  return name in (typeOnly || isTest ? { ...forRunning, ...devDependencies } : forRunning);
};

/** Source stays in its package's source; a test may also take others' types, and their support. */
const ofRelative = (file: SourceFile, isTest: boolean, found: Import): string | undefined => {
  const target = posix.join(posix.dirname(file.path), found.specifier);
  const bounds = isTest ? `${file.folder}/` : `${file.folder}/src/`;
  if (target.startsWith(bounds)) return undefined;
  if (isTest && (found.typeOnly || target.includes('/test/support/'))) return undefined;
  return `reaches out of ${bounds} to ${target}`;
};

const ofOurs = ({ manifest }: SourceFile, name: string, typeOnly: boolean): string | undefined => {
  const allowed = ARROWS[manifest.name];
  if (!name.startsWith('@pennon/') || allowed === undefined || allowed.includes(name))
    return undefined;
  if (typeOnly && allowed.includes(`type ${name}`)) return undefined;
  return `no arrow leads from ${manifest.name} to ${typeOnly ? 'the types of ' : ''}${name}`;
};

/** What is wrong with one import, if anything. `forAll` are the root's own development tools. */
const problemOf = (file: SourceFile, forAll: Manifest, found: Import): string | undefined => {
  const { specifier, typeOnly } = found;
  const isTest = !file.path.startsWith(`${file.folder}/src/`);
  if (specifier === '(computed)') return isTest ? undefined : 'computes what it imports';
  if (specifier.startsWith('.')) return ofRelative(file, isTest, found);
  const name = packageOf(specifier);
  if (isOfNode(specifier) || name === file.manifest.name) return undefined;
  const isKnown = declares(file.manifest, name, typeOnly, isTest);
  if (!isKnown && !(isTest && declares(forAll, name, typeOnly, isTest)))
    return `imports ${name}, which its package.json does not declare`;
  return isTest ? undefined : ofOurs(file, name, typeOnly);
};

/** The arrows that a file breaks, as sentences. */
export const brokenArrows = (file: SourceFile, forAll: Manifest): string[] =>
  importsOf(file.source).flatMap(found => {
    const problem = problemOf(file, forAll, found);
    return problem === undefined ? [] : [`${file.path} ${problem}`];
  });

/**
 * Returns every circle between the folders of `root`, such as `keys -> audit -> keys`. A file directly in
 * `root` counts as a folder of its own, and imports of types count too: a reader follows them as well.
 */
export const folderCircles = (
  files: readonly Pick<SourceFile, 'path' | 'source'>[],
  root: string,
): string[] => {
  const graph = folderGraph(files, root);
  const circles = new Set<string>();
  const visited = new Set<string>();
  const visit = (folder: string, path: readonly string[]): void => {
    const start = path.indexOf(folder);
    if (start !== -1) circles.add([...path.slice(start), folder].join(' -> '));
    if (visited.has(folder)) return;
    visited.add(folder);
    for (const next of graph.get(folder) ?? []) visit(next, [...path, folder]);
  };
  for (const folder of graph.keys()) visit(folder, []);
  return [...circles];
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
