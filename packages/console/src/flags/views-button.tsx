import { Chevron } from '../components/icons.tsx';
import { FirstOpening } from '../components/menu-button.tsx';
import { lazyPart } from '../components/part.tsx';
import { t } from '../i18n/i18n.ts';
import type { ViewsMenuProps } from './views-menu.tsx';

const ViewsMenu = lazyPart(async () => (await import('./views-menu.tsx')).ViewsMenu);

/** Opens the views of the list. */
export const ViewsButton = (props: Omit<ViewsMenuProps, 'trigger'>) => {
  const trigger = {
    className: 'button quiet',
    children: (
      <>
        {t('views.title')}
        <Chevron />
      </>
    ),
  };
  return <FirstOpening trigger={trigger} menu={<ViewsMenu {...props} trigger={trigger} />} />;
};
