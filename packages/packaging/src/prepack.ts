/** Runs before the package in the current directory is packed: what is in `dist` then is published. */
import { readFileSync } from 'node:fs';

import { build } from './build.ts';
import { bundle } from './bundle.ts';
import { writeOutRouter } from './client-types.ts';
import { writeOutSchema } from './schema-types.ts';

build();
bundle();
if (/"name": "@pennon\/client"/.test(readFileSync('package.json', 'utf8'))) writeOutRouter();
writeOutSchema();
