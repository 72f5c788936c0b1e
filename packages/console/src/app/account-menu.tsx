import { Menu } from '@base-ui/react/menu';
import { useState } from 'react';

import type { Session } from '../api/sessions.ts';
import { Chevron } from '../components/icons.tsx';
import { LANGUAGES, t, type Language } from '../i18n/i18n.ts';
import {
  applyPreferences,
  readPreferences,
  storePreferences,
  THEMES,
  type Preferences,
} from './preferences.ts';

type AccountMenuProps = {
  readonly session: Session;
  readonly apiUrl: string;
  readonly onSignOut: () => Promise<void>;
};

/** Each language has its name in itself. */
const LANGUAGE_NAMES: Readonly<Record<Exclude<Language, 'pseudo'>, string>> = {
  en: 'English',
  de: 'Deutsch',
};

const grantsText = ({ grants }: Session): string =>
  grants
    .map(({ environment, role }) =>
      environment === '*'
        ? t('account.everywhere', { role })
        : t('account.role', { role, environment }),
    )
    .join(', ');

/** Who is signed in, and what they have chosen for this browser. */
export const AccountMenu = ({ session, apiUrl, onSignOut }: AccountMenuProps) => {
  const [preferences, setPreferences] = useState(() => readPreferences(localStorage));
  const change = (next: Preferences): void => {
    storePreferences(localStorage, next);
    // All texts are in the language that the page was loaded with.
    if (next.language !== preferences.language) location.reload();
    applyPreferences(next, document.documentElement);
    setPreferences(next);
  };
  return (
    <Menu.Root>
      <Menu.Trigger className="button quiet account">
        <span className="account-name">{session.name}</span>
        <Chevron />
      </Menu.Trigger>
      <Menu.Portal>
        <Menu.Positioner align="end" sideOffset={4} className="layer">
          <Menu.Popup className="menu">
            <div className="menu-about">
              <strong>{session.name}</strong>
              <span>{grantsText(session)}</span>
            </div>
            <Menu.Separator className="separator" />
            <Choices
              label={t('account.theme')}
              value={preferences.theme}
              choices={THEMES.map(theme => [theme, t(`account.theme.${theme}`)])}
              onChange={theme => change({ ...preferences, theme })}
            />
            <Menu.Separator className="separator" />
            <Choices
              label={t('account.language')}
              value={preferences.language}
              choices={LANGUAGES.filter(each => each !== 'pseudo').map(each => [
                each,
                LANGUAGE_NAMES[each],
              ])}
              onChange={language => change({ ...preferences, language })}
            />
            <Menu.Separator className="separator" />
            <Menu.LinkItem className="menu-item" href={apiUrl} target="_blank" rel="noreferrer">
              {t('account.api')}
            </Menu.LinkItem>
            <Menu.Item className="menu-item" onClick={() => void onSignOut()}>
              {t('account.signOut')}
            </Menu.Item>
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  );
};

type ChoicesProps<Choice extends string> = {
  readonly label: string;
  readonly value: Choice;
  readonly choices: readonly (readonly [value: NoInfer<Choice>, name: string])[];
  readonly onChange: (value: Choice) => void;
};

const Choices = <Choice extends string>({
  label,
  value,
  choices,
  onChange,
}: ChoicesProps<Choice>) => (
  <Menu.Group>
    <Menu.GroupLabel className="menu-label">{label}</Menu.GroupLabel>
    <Menu.RadioGroup value={value} onValueChange={onChange}>
      {choices.map(([choice, name]) => (
        <Menu.RadioItem key={choice} value={choice} className="menu-item radio">
          <Menu.RadioItemIndicator keepMounted className="radio-mark" />
          {name}
        </Menu.RadioItem>
      ))}
    </Menu.RadioGroup>
  </Menu.Group>
);
