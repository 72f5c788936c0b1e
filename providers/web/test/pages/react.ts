/** A React page with one component per flag. One of them suspends until there are values. */
import { OpenFeatureProvider, useStringFlagValue, useSuspenseFlag } from '@openfeature/react-sdk';
import { OpenFeature } from '@openfeature/web-sdk';
import { createElement, Suspense, useLayoutEffect } from 'react';
import { createRoot } from 'react-dom/client';

import { PennonWebProvider } from '../../src/index.ts';
import type { ReactPage } from './react-page.ts';

const renders: Record<string, number> = {};
const violations: string[] = [];
document.addEventListener('securitypolicyviolation', event => violations.push(event.blockedURI));

/** Shows a text. React may begin a render again before anything is shown, so only what is shown counts. */
const useShown = (name: string, text: string) => {
  useLayoutEffect(() => {
    renders[name] = (renders[name] ?? 0) + 1;
  });
  return createElement('p', { id: name }, text);
};

const Left = () => useShown('left', useStringFlagValue('left', 'the default'));
const Right = () => useShown('right', useStringFlagValue('right', 'the default'));
const Suspended = () => useShown('suspended', useSuspenseFlag('suspended', 'the default').value);

const tree = () =>
  createElement(
    OpenFeatureProvider,
    null,
    createElement(Left),
    createElement(Right),
    createElement(
      Suspense,
      { fallback: createElement('p', { id: 'loading' }, 'Loading') },
      createElement(Suspended),
    ),
  );

const page: ReactPage = {
  renders,
  violations,
  start(options, context) {
    OpenFeature.setProvider(new PennonWebProvider(options), context);
    const root = document.querySelector('#root');
    if (root !== null) createRoot(root).render(tree());
  },
  setContext: context => OpenFeature.setContext(context),
};

Object.assign(globalThis, { pennonReact: page });
