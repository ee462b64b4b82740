// Holds JSON against the types that the makers of Grafana and of the Prometheus operator publish, with TypeScript:
// node types.mjs FOLDER DASHBOARD.json MONITOR.json, where FOLDER has node_modules with @grafana/schema,
// @kubernetes-models/prometheus-operator and typescript. Knows nothing of metrics; tests/deploy.rs does.
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [folder, dashboard, monitor] = process.argv.slice(2);

// JSON has words where the types have enums, so each enum is opened to its values. Kinds of panels that are not listed
// are refused: their options would be checked by nobody.
const grafana = `
import type { Dashboard, FieldConfig, FieldConfigSource, Panel, RowPanel } from "@grafana/schema/dist/esm/raw/dashboard/x/Dashboard_types.gen";
import type { Options as Stat } from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type { Options as Series } from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";
import type { GraphFieldConfig } from "@grafana/schema";

type Open<T> = T extends string ? \`\${T}\` : T extends number ? (\`\${T}\` extends \`\${infer N extends number}\` ? N : T)
    : T extends (infer Item)[] ? Open<Item>[] : T extends object ? { [Key in keyof T]: Open<T[Key]> } : T;
interface Query { refId: string; datasource: { type: "prometheus"; uid: string }; expr: string; legendFormat: string; range: boolean; instant: boolean }
type Config<Custom> = Omit<FieldConfigSource, "defaults"> & { defaults: Omit<FieldConfig, "custom"> & { custom?: Custom } };
type Of<Kind extends string, Options, Custom> = Omit<Panel, "type" | "options" | "targets" | "fieldConfig">
    & { type: Kind; options: Partial<Options>; targets: Query[]; fieldConfig: Config<Custom> };
type Any = Of<"stat", Stat, never> | Of<"timeseries", Series, GraphFieldConfig> | Omit<RowPanel, "id"> & { id: number };
export const dashboard: Open<Omit<Dashboard, "panels"> & { panels: Any[] }> =
`;
const operator = `
import type { IServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";

export const monitor: IServiceMonitor =
`;

const check = (name, types, file) => {
    const path = join(folder, `${name}.ts`);
    writeFileSync(path, `${types}${readFileSync(file, "utf8")};\n`);
    return path;
};
const checked = [check("dashboard", grafana, dashboard), check("monitor", operator, monitor)];
const options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--moduleResolution", "nodenext", "--types", ""];
const { status } = spawnSync(join(folder, "node_modules/.bin/tsc"), [...options, ...checked], { stdio: "inherit" });
if (status !== 0) process.exit(1);
console.log(`${dashboard} and ${monitor}: ok`);
