"""Reads the text of rws_engine_metrics as Prometheus does; prints each sample."""

import sys

from prometheus_client.parser import text_string_to_metric_families

with open(sys.argv[1], encoding="utf-8") as text:
    for family in text_string_to_metric_families(text.read()):
        assert family.type in ("counter", "gauge", "histogram"), family
        assert family.documentation, family
        for sample in family.samples:
            assert sample.labels["reactor"].isdigit(), sample
            labels = ",".join(f"{k}={v}" for k, v in sample.labels.items())
            print(sample.name, labels, float(sample.value))
