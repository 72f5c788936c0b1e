/** Typed React hooks: this file must compile, and each `@ts-expect-error` must hide an error. */
import * as react from '@openfeature/react-sdk';

import { defineFlags } from '@pennon/client/flags';

const flags = defineFlags({
  'new-checkout': {},
  theme: { type: 'string', variants: { dark: '#111', light: '#eee' } },
});
const { useFlag, useSuspenseFlag, useStringFlagValue, useBooleanFlagDetails, OpenFeatureProvider } =
  flags.typed(react);

export const provider: typeof react.OpenFeatureProvider = OpenFeatureProvider;

export const useTheme = (): '#111' | '#eee' => useStringFlagValue('theme', '#eee');
export const useThemeVariant = (): 'dark' | 'light' | undefined =>
  useFlag('theme', '#eee', { updateOnContextChanged: false }).variant;
export const useSuspendedTheme = (): '#111' | '#eee' => useSuspenseFlag('theme', '#eee').value;
export const useCheckout = (): boolean => useBooleanFlagDetails('new-checkout', false).value;

export const useWithErrors = (): void => {
  // @ts-expect-error: misspelt
  useStringFlagValue('tehme', '#eee');
  // @ts-expect-error: the flag has another type
  useStringFlagValue('new-checkout', 'on');
  // @ts-expect-error: the default has another type
  useFlag('theme', true);
};
