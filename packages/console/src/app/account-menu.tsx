import { Menu } from '@base-ui/react/menu';

import type { Session } from '../api/sessions.ts';
import { OpenMenu, type TriggerProps } from '../components/menu.tsx';
import { LANGUAGE_NAMES, SHOWN_LANGUAGES, t } from '../i18n/i18n.ts';
import { describeGrants } from './grants.ts';
import { THEMES } from './preferences.ts';
import { changePreferences, usePreferences } from './use-preferences.ts';

type AccountMenuProps = {
  readonly trigger: TriggerProps;
  readonly session: Session;
  readonly apiUrl: string;
  readonly onSignOut: () => Promise<void>;
};

/** Who is signed in, and what they have chosen for this browser. */
export const AccountMenu = ({ trigger, session, apiUrl, onSignOut }: AccountMenuProps) => {
  const preferences = usePreferences();
  return (
    <OpenMenu trigger={trigger} align="end">
      <div className="menu-about">
        <strong>{session.name}</strong>
        <span>{describeGrants(session.grants)}</span>
      </div>
      <Menu.Separator className="separator" />
      <Choices
        label={t('account.theme')}
        value={preferences.theme}
        choices={THEMES.map(theme => [theme, t(`account.theme.${theme}`)])}
        onChange={theme => changePreferences({ theme })}
      />
      <Menu.Separator className="separator" />
      <Choices
        label={t('account.language')}
        value={preferences.language}
        choices={SHOWN_LANGUAGES.map(each => [each, LANGUAGE_NAMES[each]])}
        onChange={language => changePreferences({ language })}
      />
      <Menu.Separator className="separator" />
      <Menu.LinkItem className="menu-item" href={apiUrl} target="_blank" rel="noreferrer">
        {t('account.api')}
      </Menu.LinkItem>
      <Menu.Item className="menu-item" onClick={() => void onSignOut()}>
        {t('account.signOut')}
      </Menu.Item>
    </OpenMenu>
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
