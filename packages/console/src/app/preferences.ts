import { LANGUAGES, type Language } from '../i18n/i18n.ts';

export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

/** What a person has chosen in this browser. */
export type Preferences = {
  readonly theme: Theme;
  readonly language: Language;
  /** Whether single letters are shortcuts. */
  readonly shortcuts: boolean;
};

const KEY = 'pennon-preferences';

const oneOf = <Choice extends string>(
  choices: readonly Choice[],
  value: unknown,
): Choice | undefined => choices.find(choice => choice === value);

/** Returns the preferences; those of the browser if there are none, or if they are not valid. */
export const readPreferences = (storage: Pick<Storage, 'getItem'>): Preferences => {
  const stored = parse(storage.getItem(KEY));
  const [preferred = 'en'] = navigator.languages;
  return {
    theme: oneOf(THEMES, stored['theme']) ?? 'system',
    language:
      oneOf(LANGUAGES, stored['language']) ?? oneOf(LANGUAGES, preferred.split('-')[0]) ?? 'en',
    shortcuts: stored['shortcuts'] !== false,
  };
};

const parse = (text: string | null): Readonly<Record<string, unknown>> => {
  try {
    const value: unknown = JSON.parse(text ?? '{}');
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
};

export const storePreferences = (
  storage: Pick<Storage, 'setItem'>,
  preferences: Preferences,
): void => storage.setItem(KEY, JSON.stringify(preferences));

/** Makes the style sheets and the screen reader use the preferences. */
export const applyPreferences = ({ theme, language }: Preferences, root: HTMLElement): void => {
  root.dataset['theme'] = theme;
  root.lang = language === 'pseudo' ? 'en' : language;
  root.dir = language === 'pseudo' ? 'rtl' : 'ltr';
};
