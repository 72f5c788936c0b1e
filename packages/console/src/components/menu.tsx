import { Menu } from '@base-ui/react/menu';
import type { ReactNode } from 'react';

/** What the button of a menu looks like. */
export type TriggerProps = {
  readonly className: string;
  /** The name of the button, if its content is not one. */
  readonly label?: string;
  readonly children: ReactNode;
};

export type MenuChoice = {
  readonly key: string;
  readonly content: ReactNode;
  readonly onChoose: () => void;
};

type OpenMenuProps = {
  readonly trigger: TriggerProps;
  readonly align?: 'start' | 'center' | 'end' | undefined;
  readonly children: ReactNode;
};

/** A menu that is open at first, with the button that opens it again. */
export const OpenMenu = ({ trigger, align = 'center', children }: OpenMenuProps) => (
  <Menu.Root defaultOpen>
    <Menu.Trigger className={trigger.className} aria-label={trigger.label}>
      {trigger.children}
    </Menu.Trigger>
    <Menu.Portal>
      <Menu.Positioner align={align} sideOffset={4} className="layer">
        <Menu.Popup className="menu">{children}</Menu.Popup>
      </Menu.Positioner>
    </Menu.Portal>
  </Menu.Root>
);

type ChoiceMenuProps = Omit<OpenMenuProps, 'children'> & {
  readonly choices: readonly MenuChoice[];
};

/** A menu of choices. */
export const ChoiceMenu = ({ choices, ...menu }: ChoiceMenuProps) => (
  <OpenMenu {...menu}>
    {choices.map(({ key, content, onChoose }) => (
      <Menu.Item key={key} className="menu-item" onClick={onChoose}>
        {content}
      </Menu.Item>
    ))}
  </OpenMenu>
);
