/** Runs before the package in the current directory is packed, and writes the `dist` that is published. */
import { build } from './build.ts';
import { bundle } from './bundle.ts';
import { vendorDeclarations, writeBothFormats } from './declarations.ts';
import { readManifest } from './manifest.ts';
import { inlineRouterTypes } from './router-types.ts';
import { inlineSchemaTypes } from './schema-types.ts';

build();
bundle();
if (readManifest().name === '@pennon/client') inlineRouterTypes();
inlineSchemaTypes();
vendorDeclarations();
writeBothFormats();
