import { Menu } from '@base-ui/react/menu';
import { useState } from 'react';

import { FieldError } from '../api/errors.ts';
import { TextField } from '../components/field.tsx';
import { FormDialog } from '../components/form-dialog.tsx';
import { textOf } from '../components/form-values.ts';
import { OpenMenu, type TriggerProps } from '../components/menu.tsx';
import { t } from '../i18n/i18n.ts';
import {
  isSameView,
  MAX_NAME_LENGTH,
  MAX_VIEWS,
  readViews,
  removeView,
  saveView,
  type SavedView,
  type ViewSearch,
} from './views.ts';

export type ViewsMenuProps = {
  readonly trigger: TriggerProps;
  /** What the list shows. */
  readonly search: ViewSearch;
  /** The environment of the views that everyone has. */
  readonly environment: string;
  readonly onChoose: (search: ViewSearch) => void;
};

/** The views that everyone has. */
const commonViews = (environment: string): readonly SavedView[] => {
  const inState = (state: string): ViewSearch => ({ q: `${environment}:${state}` });
  return [
    { name: t('views.all'), search: {} },
    { name: t('views.changed'), search: { q: 'changed:<7d', sort: '-changed' } },
    { name: t('views.on', { environment }), search: inState('on') },
    { name: t('views.off', { environment }), search: inState('off') },
    { name: t('views.split', { environment }), search: inState('split') },
  ];
};

/** Searches that are often needed, and those that the person has saved in this browser. */
export const ViewsMenu = ({ trigger, search, environment, onChoose }: ViewsMenuProps) => {
  const [saved, setSaved] = useState(() => readViews(localStorage));
  const [isSaving, setIsSaving] = useState(false);
  const current = saved.find(view => isSameView(view.search, search));
  const reload = (): void => setSaved(readViews(localStorage));
  const remove = ({ name }: SavedView): void => {
    removeView(localStorage, name);
    reload();
  };
  const save = async (form: FormData): Promise<void> => {
    const name = textOf(form, 'name').slice(0, MAX_NAME_LENGTH);
    if (name === '') throw new FieldError('name', t('views.noName'));
    if (!saveView(localStorage, { name, search }))
      throw new FieldError('name', t('views.tooMany', { max: MAX_VIEWS }));
    reload();
  };
  return (
    <>
      <OpenMenu trigger={trigger} align="end">
        <Views views={commonViews(environment)} search={search} onChoose={onChoose} />
        {saved.length > 0 && (
          <>
            <Menu.Separator className="separator" />
            <Menu.Group>
              <Menu.GroupLabel className="menu-label">{t('views.saved')}</Menu.GroupLabel>
              <Views views={saved} search={search} onChoose={onChoose} />
            </Menu.Group>
          </>
        )}
        <Menu.Separator className="separator" />
        {current === undefined ? (
          <Menu.Item className="menu-item" onClick={() => setIsSaving(true)}>
            {t('views.save')}
          </Menu.Item>
        ) : (
          <Menu.Item className="menu-item" onClick={() => remove(current)}>
            {t('views.remove', { name: current.name })}
          </Menu.Item>
        )}
      </OpenMenu>
      <FormDialog
        isOpen={isSaving}
        title={t('views.saveTitle')}
        hint={t('views.saveHint')}
        submit={t('settings.save')}
        onSubmit={save}
        onClose={() => setIsSaving(false)}
      >
        <TextField name="name" label={t('views.name')} />
      </FormDialog>
    </>
  );
};

type ViewsProps = Pick<ViewsMenuProps, 'search' | 'onChoose'> & {
  readonly views: readonly SavedView[];
};

const Views = ({ views, search, onChoose }: ViewsProps) =>
  views.map(view => (
    <Menu.Item
      key={view.name}
      className="menu-item"
      aria-current={isSameView(view.search, search)}
      onClick={() => onChoose({ q: view.search.q, sort: view.search.sort })}
    >
      <bdi>{view.name}</bdi>
    </Menu.Item>
  ));
