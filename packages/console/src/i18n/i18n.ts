import { setupI18n, type Messages } from '@lingui/core';

import en from '../messages/en.json' with { type: 'json' };

/** The languages of the console. `pseudo` is for tests: accented English from right to left. */
export const LANGUAGES = ['en', 'de', 'pseudo'] as const;
export type Language = (typeof LANGUAGES)[number];

/** The languages that people can choose. Each has its name in itself. */
export const SHOWN_LANGUAGES = ['en', 'de'] as const satisfies readonly Language[];
export const LANGUAGE_NAMES = { en: 'English', de: 'Deutsch' } as const satisfies Readonly<
  Record<(typeof SHOWN_LANGUAGES)[number], string>
>;

export type MessageId = keyof typeof en;

const i18n = setupI18n();

const LOADERS: Readonly<Record<Language, () => Promise<Messages>>> = {
  en: async () => en,
  de: async () => (await import('../messages/de.json', { with: { type: 'json' } })).default,
  pseudo: async () => (await import('./pseudo.ts')).pseudoMessages(en),
};

/** Loads the messages of a language. Must be called before the first message is shown. */
export const loadLanguage = async (language: Language): Promise<void> => {
  i18n.load(language, await LOADERS[language]());
  i18n.activate(language, language === 'pseudo' ? ['en'] : [language]);
};

/** Returns a message in the language of the page. */
export const t = (id: MessageId, values: Readonly<Record<string, unknown>> = {}): string =>
  i18n._(id, values);

/** Returns a time in the zone of the browser, which it names. */
export const formatTime = (iso: string): string =>
  new Intl.DateTimeFormat(document.documentElement.lang, {
    dateStyle: 'medium',
    timeStyle: 'long',
  }).format(new Date(iso));
