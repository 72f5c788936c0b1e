import { t } from '../i18n/i18n.ts';

/** The server refuses longer keys. */
const MAX_KEY_LENGTH = 100;
const CHARACTERS = /^[A-Za-z0-9._-]*$/;
const FIRST_CHARACTER = /^[A-Za-z0-9]/;

/** Returns why a text is not a key, or an empty text if it is one. Each key is a part of a URL. */
export const keyProblem = (text: string): string => {
  if (text === '') return t('key.empty');
  if (text.length > MAX_KEY_LENGTH) return t('key.long', { max: MAX_KEY_LENGTH });
  if (!CHARACTERS.test(text)) return t('key.characters');
  if (!FIRST_CHARACTER.test(text)) return t('key.first');
  return text.includes('..') ? t('key.dots') : '';
};
