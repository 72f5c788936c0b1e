import type { Context } from './context.ts';
import { EMPTY_VALUES, type FlagDocument, type Json } from './document.ts';

/** The languages that snippets are written in. */
export const SNIPPET_LANGUAGES = ['node', 'web', 'react', 'python', 'curl'] as const;
export type SnippetLanguage = (typeof SNIPPET_LANGUAGES)[number];

/** An evaluation that a snippet does. */
export type SnippetInput = {
  /** The server, without a slash at the end. */
  readonly url: string;
  readonly environment: string;
  readonly document: FlagDocument;
  readonly context: Context;
  /** Whether the response explains the result. */
  readonly explain?: boolean;
};

/** Returns the source code of the evaluation. */
export const snippetOf = (language: SnippetLanguage, input: SnippetInput): string =>
  WRITERS[language](input).trimStart();

/** Whether the language runs in browsers, which get flags that are visible to client keys only. */
export const isForBrowsers = (language: SnippetLanguage): boolean =>
  language === 'web' || language === 'react';

type FlagType = FlagDocument['type'];

const METHODS: Readonly<Record<FlagType, string>> = {
  boolean: 'Boolean',
  string: 'String',
  number: 'Number',
  object: 'Object',
};

const INDENTATION = 2;
const MAX_LINE_LENGTH = 72;

/** Returns a value as a literal of JavaScript, on one line if it is short. */
const toJs = (value: Json): string => {
  const line = JSON.stringify(value);
  return line.length <= MAX_LINE_LENGTH ? line : JSON.stringify(value, null, INDENTATION);
};

const isList = (value: Json): value is readonly Json[] => Array.isArray(value);

/** Returns a value as a literal of Python. */
const toPython = (value: Json): string => {
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (isList(value)) return `[${value.map(toPython).join(', ')}]`;
  if (typeof value !== 'object') return JSON.stringify(value);
  const entries = Object.entries(value).map(
    ([name, each]) => `${JSON.stringify(name)}: ${toPython(each)}`,
  );
  return `{${entries.join(', ')}}`;
};

/** Returns a text as one word of a shell. */
const toShell = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** What the application gets while it does not get a variant. */
const defaultOf = ({ codeDefault, type }: FlagDocument): Json => codeDefault ?? EMPTY_VALUES[type];

const importOf = (names: string, from: string): string => `import { ${names} } from '${from}';`;

const writeNode = ({ url, document, context }: SnippetInput): string => `
// npm install @pennon/server-provider @openfeature/server-sdk
${importOf('OpenFeature', '@openfeature/server-sdk')}
${importOf('PennonProvider', '@pennon/server-provider')}

// Once, when the application starts.
await OpenFeature.setProviderAndWait(
  new PennonProvider({ url: ${toJs(url)}, key: process.env.PENNON_KEY }),
);

const client = OpenFeature.getClient();
const context = ${toJs(context)};
const value = await client.get${METHODS[document.type]}Value(
  ${toJs(document.key)},
  ${toJs(defaultOf(document))},
  context,
);`;

const writeWeb = ({ url, document, context }: SnippetInput): string => `
// npm install @pennon/web-provider @openfeature/web-sdk
${importOf('OpenFeature', '@openfeature/web-sdk')}
${importOf('PennonWebProvider', '@pennon/web-provider')}

const context = ${toJs(context)};
await OpenFeature.setProviderAndWait(
  new PennonWebProvider({ url: ${toJs(url)}, key: 'pennon_client_…' }),
  context,
);

const client = OpenFeature.getClient();
const value = client.get${METHODS[document.type]}Value(${toJs(document.key)}, ${toJs(defaultOf(document))});`;

const writeReact = ({ url, document, context }: SnippetInput): string => `
// npm install @pennon/web-provider @openfeature/web-sdk @openfeature/react-sdk
${importOf(`OpenFeature, OpenFeatureProvider, use${METHODS[document.type]}FlagValue`, '@openfeature/react-sdk')}
${importOf('PennonWebProvider', '@pennon/web-provider')}

const context = ${toJs(context)};
OpenFeature.setProvider(
  new PennonWebProvider({ url: ${toJs(url)}, key: 'pennon_client_…' }),
  context,
);

const Example = () => {
  const value = use${METHODS[document.type]}FlagValue(${toJs(document.key)}, ${toJs(defaultOf(document))});
  return <pre>{JSON.stringify(value)}</pre>;
};

export const App = () => (
  <OpenFeatureProvider>
    <Example />
  </OpenFeatureProvider>
);`;

const PYTHON_METHODS: Readonly<Record<FlagType, string>> = {
  boolean: 'boolean',
  string: 'string',
  number: 'float',
  object: 'object',
};

const pythonMethod = ({ type, numberType }: FlagDocument): string =>
  type === 'number' && numberType === 'integer' ? 'integer' : PYTHON_METHODS[type];

const pythonContext = ({ targetingKey, ...attributes }: Context): string =>
  typeof targetingKey === 'string'
    ? `EvaluationContext(${toPython(targetingKey)}, ${toPython(attributes)})`
    : `EvaluationContext(attributes=${toPython(attributes)})`;

const writePython = ({ url, document, context }: SnippetInput): string => `
# pip install pennon-openfeature
import os
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from pennon_openfeature import PennonProvider

# Once, when the application starts.
api.set_provider_and_wait(PennonProvider(url=${toPython(url)}, key=os.environ["PENNON_KEY"]))

context = ${pythonContext(context)}
value = api.get_client().get_${pythonMethod(document)}_value(
    ${toPython(document.key)}, ${toPython(defaultOf(document))}, context
)`;

const writeCurl = ({ url, environment, document, context, explain }: SnippetInput): string => {
  const body = { flagKey: document.key, context, ...(explain === true && { explain }) };
  return `
curl -X POST ${toShell(`${url}/api/v1/evaluate?environment=${environment}`)} \\
  -H "Authorization: Bearer $PENNON_KEY" \\
  -H 'Content-Type: application/json' \\
  -d ${toShell(JSON.stringify(body))}`;
};

const WRITERS: Readonly<Record<SnippetLanguage, (input: SnippetInput) => string>> = {
  node: writeNode,
  web: writeWeb,
  react: writeReact,
  python: writePython,
  curl: writeCurl,
};
