/** Runs before the package in the current directory is packed, and writes the `dist` that is published. */
import { readFileSync } from 'node:fs';

import { build } from './build.ts';
import { bundle } from './bundle.ts';
import { inlineRouterTypes } from './router-types.ts';
import { inlineSchemaTypes } from './schema-types.ts';

build();
bundle();
if (/"name": "@pennon\/client"/.test(readFileSync('package.json', 'utf8'))) inlineRouterTypes();
inlineSchemaTypes();
